{{- define "rollcall.name" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains "rollcall" .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-rollcall" (.Release.Name | trunc 40 | trimSuffix "-") -}}
{{- end -}}
{{- end -}}

{{- /* What a selector is made of never changes: the API server refuses that. */ -}}
{{- define "rollcall.selector" -}}
app.kubernetes.io/name: rollcall
app.kubernetes.io/component: bot
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "rollcall.labels" -}}
{{ include "rollcall.selector" . }}
app.kubernetes.io/part-of: rollcall
app.kubernetes.io/version: {{ .Chart.AppVersion | trunc 63 | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{- define "rollcall.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "rollcall.name" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "rollcall.priorityClass" -}}
{{- if .Values.priorityClass.create -}}
{{- .Values.priorityClass.name | default (include "rollcall.name" .) -}}
{{- else -}}
{{- .Values.priorityClass.name -}}
{{- end -}}
{{- end -}}

{{- define "rollcall.slackSecret" -}}
{{- .Values.slack.existingSecret | default (printf "%s-slack" (include "rollcall.name" .)) -}}
{{- end -}}

{{- define "rollcall.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{- /* The port of config.HTTP_ADDR. */ -}}
{{- define "rollcall.port" -}}
{{- .Values.config.HTTP_ADDR | default ":8080" | splitList ":" | last -}}
{{- end -}}

{{- /* Nine tenths of limits.memory, in MiB; nothing if there is no limit. */ -}}
{{- define "rollcall.memory" -}}
{{- with (.Values.resources.limits).memory -}}
{{- $unit := dict "" 1 "k" 1000 "M" 1000000 "G" 1000000000 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 -}}
{{- $bytes := mul (regexFind "^[0-9]+" . | int64) (get $unit (regexFind "[A-Za-z]*$" .)) -}}
{{- printf "%dMiB" (div (div (mul $bytes 9) 10) 1048576) -}}
{{- end -}}
{{- end -}}

{{- /* What no schema can say: every mistake at once, each with its value and what would be right. */ -}}
{{- define "rollcall.mistakes" -}}
{{- if not .Values.image.repository }}
  image.repository: it is missing; set it to where the image is, for example registry.example.com/rollcall
{{- end }}
{{- if and (not .Values.image.tag) (not .Values.image.digest) (eq .Chart.AppVersion "v0.0.0") }}
  image.tag: it is missing, and this chart is not made by `make chart`, which would say its version; set it to your image's tag
{{- end }}
{{- if not .Values.config.SLACK_CHANNEL }}
  config.SLACK_CHANNEL: it is missing; set it to the ID of the channel for alerts (C…, shown at the end of the channel's details)
{{- end }}
{{- if ne (empty .Values.slack.botToken) (empty .Values.slack.appToken) }}
  slack.{{ if .Values.slack.botToken }}appToken{{ else }}botToken{{ end }}: it is missing; give both tokens, or neither and a Secret
{{- end }}
{{- if and .Values.slack.botToken .Values.slack.existingSecret }}
  slack.existingSecret: the tokens are in a Secret of yours or among the values; take one of the two out
{{- end }}
{{- if and (not .Values.serviceAccount.create) (not .Values.serviceAccount.name) }}
  serviceAccount.name: it is missing; name the ServiceAccount that is there, or set serviceAccount.create
{{- end }}
{{- end -}}
