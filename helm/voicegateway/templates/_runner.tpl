{{/* What only the runner connects to: where alerts go, and LiveKit, whose webhooks the controller hears. */}}

{{/* What of it is secret: by its setting and its key in the release's Secret, the value given here and its key in a Secret
     of your own. */}}
{{- define "voicegateway.runnerSecrets" -}}
ALERT_WEBHOOK_URL: {value: {{ .Values.alerts.webhookUrl | quote }}, key: {{ .Values.existingSecret.alertWebhookUrlKey | quote }}}
ALERT_WEBHOOK_SECRET: {value: {{ .Values.alerts.webhookSecret | quote }}, key: {{ .Values.existingSecret.alertWebhookSecretKey | quote }}}
ALERT_SLACK_URL: {value: {{ .Values.alerts.slackUrl | quote }}, key: {{ .Values.existingSecret.alertSlackUrlKey | quote }}}
ALERT_SMTP_URL: {value: {{ .Values.alerts.smtpUrl | quote }}, key: {{ .Values.existingSecret.alertSmtpUrlKey | quote }}}
LIVEKIT_API_KEY: {value: {{ .Values.livekit.apiKey | quote }}, key: {{ .Values.existingSecret.livekitApiKeyKey | quote }}}
LIVEKIT_API_SECRET: {value: {{ .Values.livekit.apiSecret | quote }}, key: {{ .Values.existingSecret.livekitApiSecretKey | quote }}}
LIVEKIT_WEBHOOK_KEYS: {value: {{ .Values.livekit.webhookKeys | quote }}, key: {{ .Values.existingSecret.livekitWebhookKeysKey | quote }}}
{{- end }}

{{/* Of these the controller gets LiveKit's: it checks LiveKit's webhooks with them. Call as voicegateway.env. */}}
{{- define "voicegateway.runnerEnv" -}}
{{- $values := .root.Values -}}
{{- $isRunner := eq .command "runner" -}}
{{- $stores := include "voicegateway.secretName" . -}}
{{- range $name, $secret := include "voicegateway.runnerSecrets" .root | fromYaml }}
{{- if or $isRunner (hasPrefix "LIVEKIT_" $name) }}
{{- $key := ternary $secret.key (ternary $name "" (ne $secret.value "")) (ne $values.existingSecret.name "") }}
{{- with $key }}
- name: VOICEGATEWAY_{{ $name }}
  valueFrom:
    secretKeyRef:
      name: {{ $stores }}
      key: {{ . }}
{{- end }}
{{- end }}
{{- end }}
{{- if $isRunner }}
{{- with $values.alerts.emailFrom }}
- name: VOICEGATEWAY_ALERT_EMAIL_FROM
  value: {{ . | quote }}
{{- end }}
{{- with $values.alerts.emailTo }}
- name: VOICEGATEWAY_ALERT_EMAIL_TO
  value: {{ join "," . | quote }}
{{- end }}
{{- end }}
{{- with $values.livekit.url }}
- name: VOICEGATEWAY_LIVEKIT_URL
  value: {{ . | quote }}
{{- end }}
{{- end }}

{{/* Refuses, in words, what the runner would refuse at its start. Never prints a value: most hold a password. */}}
{{- define "voicegateway.checkRunnerConnections" -}}
{{- $alerts := .Values.alerts -}}
{{- $given := dict -}}
{{- range $name, $secret := include "voicegateway.runnerSecrets" . | fromYaml -}}
{{- if and $.Values.existingSecret.name $secret.value -}}
{{- fail "existingSecret.name is set together with a URL or a key of alerts or livekit: put it in that Secret too, and name its key there in existingSecret" -}}
{{- end -}}
{{- if and $secret.key (not $.Values.existingSecret.name) -}}
{{- fail "existingSecret names a key of alerts or livekit, and no Secret: set existingSecret.name, or the value itself" -}}
{{- end -}}
{{- $_ := set $given $name (or $secret.value $secret.key) -}}
{{- end -}}
{{- if and $given.ALERT_WEBHOOK_URL (not $given.ALERT_WEBHOOK_SECRET) -}}
{{- fail "alerts.webhookSecret is not set: a webhook that is not signed could be anybody's; make one with echo \"whsec_$(openssl rand -base64 32)\"" -}}
{{- end -}}
{{- if and $given.ALERT_SMTP_URL (not (and $alerts.emailFrom $alerts.emailTo)) -}}
{{- fail "alerts.emailFrom or alerts.emailTo is not set: alerts by mail need both" -}}
{{- end -}}
{{- $livekit := list .Values.livekit.url $given.LIVEKIT_API_KEY $given.LIVEKIT_API_SECRET -}}
{{- if and (compact $livekit) (ne (len (compact $livekit)) (len $livekit)) -}}
{{- fail "livekit.url, livekit.apiKey and livekit.apiSecret belong together: set all three or none" -}}
{{- end -}}
{{- range $name, $url := dict "alerts.webhookUrl" $alerts.webhookUrl "alerts.slackUrl" $alerts.slackUrl -}}
{{- if and $url (not (regexMatch "^https?://[^/]" $url)) -}}
{{- fail (printf "%s is wrong: it must start with https:// or http://" $name) -}}
{{- end -}}
{{- end -}}
{{- if and $alerts.smtpUrl (not (regexMatch "^smtp(s|\\+plain)?://[^/]" $alerts.smtpUrl)) -}}
{{- fail "alerts.smtpUrl is wrong: it must start with smtp://, smtps:// or smtp+plain://" -}}
{{- end -}}
{{- if and .Values.livekit.url (not (regexMatch "^(wss?|https?)://[^/]" .Values.livekit.url)) -}}
{{- fail "livekit.url is wrong: it must start with wss:// or https://" -}}
{{- end -}}
{{- end }}

{{- define "voicegateway.runnerEgress" -}}
{{- $policy := .Values.networkPolicy -}}
{{- $ports := list -}}
{{- if .Values.existingSecret.name -}}
{{- with .Values.existingSecret -}}
{{- if or .alertWebhookUrlKey .alertSlackUrlKey .alertSmtpUrlKey -}}
{{- $ports = $policy.alertPorts -}}
{{- end -}}
{{- end -}}
{{- else -}}
{{- range compact (list .Values.alerts.webhookUrl .Values.alerts.slackUrl .Values.alerts.smtpUrl) -}}
{{- $ports = append $ports (include "voicegateway.portOf" .) -}}
{{- end -}}
{{- end -}}
{{- with $ports }}
{{ include "voicegateway.egressOn" (dict "ports" (uniq .) "to" $policy.alertsTo) }}
{{- end }}
{{- with .Values.livekit.url }}
{{ include "voicegateway.egressOn" (dict "ports" (list (include "voicegateway.portOf" .)) "to" $policy.livekitTo) }}
{{- end }}
{{- end }}

{{/* The port a URL names, else its scheme's. */}}
{{- define "voicegateway.portOf" -}}
{{- $schemes := dict "http" 80 "https" 443 "ws" 80 "wss" 443 "smtp" 587 "smtps" 465 "smtp+plain" 25 -}}
{{- include "voicegateway.urlPorts" (dict "url" . "port" (get $schemes (regexFind "^[a-z+]+" .) | default 443)) -}}
{{- end }}
