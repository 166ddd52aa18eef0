{{- /* The restricted Pod Security Standard, with a numeric user: the kubelet cannot check a name. */ -}}
{{- define "driftmon.podSecurityContext" -}}
{{- $restricted := dict "runAsNonRoot" true "runAsUser" 65532 "runAsGroup" 65532 "fsGroup" 65532 "fsGroupChangePolicy" "OnRootMismatch" "seccompProfile" (dict "type" "RuntimeDefault") -}}
{{- include "driftmon.changed" (list $restricted .Values.podSecurityContext) -}}
{{- end -}}

{{- define "driftmon.securityContext" -}}
{{- $restricted := dict "allowPrivilegeEscalation" false "readOnlyRootFilesystem" true "privileged" false "capabilities" (dict "drop" (list "ALL")) -}}
{{- include "driftmon.changed" (list $restricted .Values.securityContext) -}}
{{- end -}}

{{- /* A mapping with another's values over it, null taking a key out; sprig's merge takes a false for nothing. */ -}}
{{- define "driftmon.changed" -}}
{{- $mapping := index . 0 -}}
{{- range $key, $value := index . 1 -}}
{{- if kindIs "invalid" $value -}}
{{- $_ := unset $mapping $key -}}
{{- else -}}
{{- $_ := set $mapping $key $value -}}
{{- end -}}
{{- end -}}
{{- toYaml $mapping -}}
{{- end -}}

{{- define "driftmon.env" -}}
- name: DRIFTMON_CONFIG
  value: /etc/driftmon/driftmon.yaml
- name: HOME
  value: /tmp
- name: HF_HUB_OFFLINE
  value: "1"
{{- $limits := .Values.resources.limits | default dict }}
{{- range list "OMP_NUM_THREADS" "OPENBLAS_NUM_THREADS" }}
- name: {{ . }}
  {{- if $.Values.blasThreads }}
  value: {{ $.Values.blasThreads | toString | quote }}
  {{- else if and (eq (int $.Values.config.workers) 1) $limits.cpu }}
  valueFrom:
    resourceFieldRef:
      resource: limits.cpu
      divisor: "1"
  {{- else }}
  value: "1"
  {{- end }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "driftmon.mounts" -}}
- name: config
  mountPath: /etc/driftmon
  readOnly: true
- name: tmp
  mountPath: /tmp
{{- if eq .Values.store.type "sqlite" }}
- name: data
  mountPath: /var/lib/driftmon
{{- else }}
- name: database
  mountPath: /run/secrets/driftmon-database
  readOnly: true
{{- end }}
{{- if .Values.web.token.existingSecret }}
- name: token
  mountPath: /run/secrets/driftmon-token
  readOnly: true
{{- end }}
{{- if .Values.web.tls.existingSecret }}
- name: tls
  mountPath: /run/secrets/driftmon-tls
  readOnly: true
{{- end }}
{{- range $name, $secret := .Values.secrets }}
- name: secret-{{ $name }}
  mountPath: /run/secrets/driftmon/{{ $name }}
  readOnly: true
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- /* Secrets are readable for the pod's group (fsGroup) and for nobody else: 0440. */ -}}
{{- define "driftmon.volumes" -}}
- name: config
  configMap:
    name: {{ include "driftmon.fullname" . }}
- name: tmp
  emptyDir:
    sizeLimit: {{ .Values.tmpSizeLimit }}
{{- if eq .Values.store.type "sqlite" }}
- name: data
  persistentVolumeClaim:
    claimName: {{ .Values.store.sqlite.existingClaim | default (include "driftmon.fullname" .) }}
{{- else }}
- name: database
  secret:
    secretName: {{ .Values.store.postgresql.existingSecret }}
    defaultMode: 0440
{{- end }}
{{- if .Values.web.token.existingSecret }}
- name: token
  secret:
    secretName: {{ .Values.web.token.existingSecret }}
    defaultMode: 0440
{{- end }}
{{- if .Values.web.tls.existingSecret }}
- name: tls
  secret:
    secretName: {{ .Values.web.tls.existingSecret }}
    defaultMode: 0440
{{- end }}
{{- range $name, $secret := .Values.secrets }}
- name: secret-{{ $name }}
  secret:
    secretName: {{ $secret.secretName }}
    defaultMode: 0440
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "driftmon.scheduling" -}}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
