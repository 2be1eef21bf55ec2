{{/* The inference server: a holder like any worker, so it gets a worker's environment and none of the controller's. */}}

{{/* Settings that the pod's port, probes and small disk rely on. */}}
{{- define "voicegateway.inferenceFixed" -}}
VOICEGATEWAY_URL: http://{{ include "voicegateway.fullname" . }}-controller.{{ .Release.Namespace }}.svc:{{ .Values.controller.service.port }}
VOICEGATEWAY_INFERENCE_HOST: "0.0.0.0"
VOICEGATEWAY_INFERENCE_PORT: "8590"
VOICEGATEWAY_INFERENCE_DRAIN_S: {{ .Values.inference.drainSeconds | quote }}
VOICEGATEWAY_OUTBOX_DIR: /tmp/outbox
VOICEGATEWAY_OUTBOX_BYTES_MAX: "50331648"
{{- end }}

{{- define "voicegateway.inferenceEnv" -}}
{{- $fixed := include "voicegateway.inferenceFixed" . | fromYaml -}}
{{- range $name, $value := $fixed }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- range $name, $value := .Values.inference.settings }}
{{- if hasKey $fixed $name }}
{{- fail (printf "inference.settings.%s is set by the chart" $name) }}
{{- end }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}

{{- define "voicegateway.checkInference" -}}
{{- if not .Values.inference.existingSecret -}}
{{- fail "inference.existingSecret is not set: name a Secret with VOICEGATEWAY_TOKEN, LIVEKIT_API_KEY, LIVEKIT_API_SECRET and the vendors' keys" -}}
{{- end -}}
{{- end }}
