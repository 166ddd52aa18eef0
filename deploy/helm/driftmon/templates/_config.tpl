{{- define "driftmon.databaseUrl" -}}
{{- if eq .Values.store.type "sqlite" -}}
database: sqlite:////var/lib/driftmon/driftmon.db
{{- else -}}
database_file: /run/secrets/driftmon-database/{{ .Values.store.postgresql.key }}
{{- end -}}
{{- end -}}

{{- /* driftmon.yaml: what stands in values, and what the chart knows better. */ -}}
{{- define "driftmon.config" -}}
{{- $ours := include "driftmon.databaseUrl" . | fromYaml -}}
{{- $web := dict "listen" (printf "%s:%d" .Values.web.host (int .Values.web.port)) "requests_per_second" .Values.web.requestsPerSecond -}}
{{- if .Values.web.token.existingSecret -}}
{{- $_ := set $web "token_file" (printf "/run/secrets/driftmon-token/%s" .Values.web.token.key) -}}
{{- end -}}
{{- if .Values.web.tls.existingSecret -}}
{{- $_ := set $web "certificate_file" "/run/secrets/driftmon-tls/tls.crt" -}}
{{- $_ := set $web "key_file" "/run/secrets/driftmon-tls/tls.key" -}}
{{- end -}}
{{- $_ := set $ours "web" $web -}}
{{- $limits := .Values.resources.limits | default dict -}}
{{- $requests := .Values.resources.requests | default dict -}}
{{- if and (not $limits.cpu) (not .Values.config.workers) $requests.cpu -}}
{{- /* Without a limit the daemon would see every CPU of its node. */ -}}
{{- $cpu := toString $requests.cpu -}}
{{- $cores := ternary (divf (trimSuffix "m" $cpu | float64) 1000.0) (float64 $cpu) (hasSuffix "m" $cpu) -}}
{{- $_ := set $ours "workers" (ceil $cores | int) -}}
{{- end -}}
{{- toYaml (merge $ours .Values.config) -}}
{{- end -}}
