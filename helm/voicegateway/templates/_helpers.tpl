{{/* Names, labels and the image: what every object of the chart shares. */}}

{{- define "voicegateway.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{/* 50, not 63: the longest suffix is `-controller` and Job pods add their own. */}}
{{- define "voicegateway.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "voicegateway.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* Labels of an object. Call with (dict "root" $ "component" "controller"). They change with every version. */}}
{{- define "voicegateway.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "voicegateway.selectorLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/part-of: voicegateway
{{- end }}

{{/* Labels a selector may use: a Deployment's selector can never change, so nothing with a version is in here. */}}
{{- define "voicegateway.selectorLabels" -}}
app.kubernetes.io/name: {{ include "voicegateway.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- with .component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end }}

{{- define "voicegateway.image" -}}
{{- $image := .Values.image -}}
{{- $repository := required "image.repository is not set: build controller/Dockerfile, push it to your registry and name it here" $image.repository -}}
{{- if eq $image.tag "latest" -}}
{{- fail "image.tag is latest: name a version, or leave it empty for the chart's appVersion; controller, runner and migration must be the same build" -}}
{{- end -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $repository ($image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end }}

{{- define "voicegateway.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "voicegateway.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end }}

{{/* Annotations of a migration hook. Call with the weight: accounts and secrets first, the job after them.
     before-hook-creation clears what a failed try left, so that its pod's log could be read until now. */}}
{{- define "voicegateway.hook" -}}
helm.sh/hook: pre-install,pre-upgrade
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}
