{{- /* What the schema cannot say: combinations that would install and then not work. */ -}}
{{- define "driftmon.checks" -}}
{{- if not .Values.config.collections -}}
{{- fail "config.collections is empty: name at least one collection to watch, as in driftmon.yaml" -}}
{{- end -}}
{{- if eq .Values.store.type "sqlite" -}}
{{- if gt (int (include "driftmon.replicas" .)) 1 -}}
{{- fail "replicas is above 1 on store.type sqlite, which serves one daemon: set replicas to 1, or store.type to postgresql" -}}
{{- end -}}
{{- if eq .Values.migration.type "job" -}}
{{- fail "migration.type is job on store.type sqlite, where the daemon migrates its own file: leave it at initContainer" -}}
{{- end -}}
{{- else if not .Values.store.postgresql.existingSecret -}}
{{- fail "store.postgresql.existingSecret is empty: name the Secret that holds the database URL, or set store.type to sqlite" -}}
{{- else if and .Values.networkPolicy.enabled (not .Values.networkPolicy.egress) -}}
{{- fail "networkPolicy.egress is empty: the pods could not reach PostgreSQL; declare what they reach, or set networkPolicy.enabled to false" -}}
{{- end -}}
{{- if and .Values.monitoring.serviceMonitor.enabled .Values.monitoring.podMonitor.enabled -}}
{{- fail "monitoring.serviceMonitor and monitoring.podMonitor are both enabled: every pod would be scraped twice; keep one" -}}
{{- end -}}
{{- range $name, $text := .Values.files -}}
{{- if eq $name "driftmon.yaml" -}}
{{- fail "files holds driftmon.yaml, which is made from config: write there what you mean" -}}
{{- end -}}
{{- end -}}
{{- range list "OMP_NUM_THREADS" "OPENBLAS_NUM_THREADS" -}}
{{- $name := . -}}
{{- range $.Values.extraEnv -}}
{{- if eq .name $name -}}
{{- fail (printf "extraEnv holds %s, which the chart sets: use blasThreads" $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
