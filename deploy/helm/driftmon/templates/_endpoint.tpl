{{- /* How a monitor of the Prometheus Operator asks: token and TLS as the daemon has them. */ -}}
{{- define "driftmon.endpoint" -}}
{{- $root := index . 0 -}}
{{- $monitor := index . 1 -}}
- port: http
  path: /metrics
  interval: {{ $monitor.interval }}
  scrapeTimeout: {{ $monitor.scrapeTimeout }}
  {{- if $root.Values.web.tls.existingSecret }}
  scheme: https
  tlsConfig:
    ca:
      secret:
        name: {{ $root.Values.web.tls.existingSecret }}
        key: ca.crt
    serverName: {{ include "driftmon.fullname" $root }}.{{ $root.Release.Namespace }}.svc
  {{- end }}
  {{- if $root.Values.web.token.existingSecret }}
  authorization:
    type: Bearer
    credentials:
      name: {{ $root.Values.web.token.existingSecret }}
      key: {{ $root.Values.web.token.key }}
  {{- end }}
{{- end -}}
