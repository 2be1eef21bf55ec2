{{/* What the pods of controller, runner and migration have in common. */}}

{{/* Environment of a container. Call with (dict "root" $ "hook" bool "command" …); a hook needs Postgres only, and only
     the runner sends alerts and talks to LiveKit; the controller checks LiveKit's webhooks. */}}
{{- define "voicegateway.env" -}}
{{- $secret := include "voicegateway.secretName" . -}}
{{- $existing := .root.Values.existingSecret -}}
- name: VOICEGATEWAY_DATABASE_URL
  valueFrom:
    secretKeyRef:
      name: {{ $secret }}
      key: {{ if $existing.name }}{{ $existing.databaseUrlKey }}{{ else }}DATABASE_URL{{ end }}
{{- if not .hook }}
- name: VOICEGATEWAY_REDIS_URL
  valueFrom:
    secretKeyRef:
      name: {{ $secret }}
      key: {{ if $existing.name }}{{ $existing.redisUrlKey }}{{ else }}REDIS_URL{{ end }}
{{- $queueKey := ternary $existing.queueRedisUrlKey (ternary "QUEUE_REDIS_URL" "" (ne .root.Values.redis.queueUrl "")) (ne $existing.name "") }}
{{- with $queueKey }}
- name: VOICEGATEWAY_QUEUE_REDIS_URL
  valueFrom:
    secretKeyRef:
      name: {{ $secret }}
      key: {{ . }}
{{- end }}
{{- end }}
{{- if has .command (list "runner" "controller") }}
{{- include "voicegateway.runnerEnv" . }}
{{- end }}
{{- if eq .command "controller" }}
{{- include "voicegateway.controllerEnv" .root }}
{{- end }}
{{- $fixed := include "voicegateway.fixedSettings" . | fromYaml }}
{{- range $name, $value := $fixed }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- range $name, $value := .root.Values.settings }}
{{- if or (hasKey $fixed $name) (has $name (list "VOICEGATEWAY_DATABASE_URL" "VOICEGATEWAY_REDIS_URL" "VOICEGATEWAY_QUEUE_REDIS_URL")) }}
{{- fail (printf "settings.%s is set by the chart: use database.url, redis.url, redis.queueUrl or existingSecret for the URLs; addresses, ports and home are fixed in the pod" $name) }}
{{- end }}
{{- if regexMatch "^VOICEGATEWAY_(ALERT_(WEBHOOK|SLACK|SMTP|EMAIL)|LIVEKIT)_" $name }}
{{- fail (printf "settings.%s is set by the chart: use alerts, livekit or existingSecret, which keep what is secret in a Secret" $name) }}
{{- end }}
{{- if regexMatch "^VOICEGATEWAY_BILLING_[A-Z]+_KEY$" $name }}
{{- fail (printf "settings.%s holds a key: put it in a Secret and name that in billing.existingSecret" $name) }}
{{- end }}
{{- if has $name (list "VOICEGATEWAY_CONFIG" "VOICEGATEWAY_VAULT_SECRETS" "VOICEGATEWAY_VAULT_SECRETS_FILE" "VOICEGATEWAY_VAULT_INSECURE") }}
{{- fail (printf "settings.%s is set by the chart: use config and vault, which mount what changes while controllers run" $name) }}
{{- end }}
{{- if has $name (list "VOICEGATEWAY_OIDC_CLIENT_SECRET" "VOICEGATEWAY_BOOTSTRAP_TOKEN" "VOICEGATEWAY_TLS_KEY_PASSWORD") }}
{{- fail (printf "settings.%s is a secret: put it in a Secret and name that in signIn.existingSecret" $name) }}
{{- end }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}

{{/* Settings that the pod's ports, probes and read-only file system rely on. */}}
{{- define "voicegateway.fixedSettings" -}}
VOICEGATEWAY_HOST: "0.0.0.0"
VOICEGATEWAY_PORT: "8580"
VOICEGATEWAY_RUNNER_HOST: "0.0.0.0"
VOICEGATEWAY_RUNNER_PORT: "8581"
VOICEGATEWAY_HOME: /tmp/voicegateway
{{- end }}

{{/* Where and when the kubelet asks. Controller and runner answer on the same paths, each on its port `http`. */}}
{{- define "voicegateway.probes" -}}
startupProbe:
  httpGet:
    path: /livez
    port: http
  periodSeconds: 2
  failureThreshold: 30
livenessProbe:
  httpGet:
    path: /livez
    port: http
  periodSeconds: 10
  timeoutSeconds: 3
  failureThreshold: 3
readinessProbe:
  httpGet:
    path: /readyz
    port: http
  periodSeconds: 5
  timeoutSeconds: 3
  failureThreshold: 2
{{- end }}

{{/* The container without ports and probes. Call with (dict "root" $ "hook" bool "command" "controller"
     "resources" …). */}}
{{- define "voicegateway.container" -}}
- name: {{ .command }}
  image: {{ include "voicegateway.image" .root }}
  imagePullPolicy: {{ .root.Values.image.pullPolicy }}
  args: [{{ .command | quote }}]
  env:
    {{- include "voicegateway.env" . | nindent 4 }}
  {{- $secrets := list (ternary "" .root.Values.billing.existingSecret .hook) (ternary .root.Values.signIn.existingSecret "" (eq .command "controller")) }}
  {{- with compact $secrets }}
  envFrom:
    {{- range . }}
    - secretRef:
        name: {{ . }}
    {{- end }}
  {{- end }}
  {{- with .resources }}
  resources:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    {{- toYaml .root.Values.securityContext | nindent 4 }}
  volumeMounts:
    - name: tmp
      mountPath: /tmp
    {{- if eq .command "controller" }}
    {{- include "voicegateway.controllerMounts" .root | nindent 4 }}
    {{- end }}
{{- end }}

{{/* Everything of a pod that is neither its container nor its life cycle. */}}
{{- define "voicegateway.podDefaults" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
volumes:
  - name: tmp
    emptyDir:
      sizeLimit: 64Mi
{{- end }}

{{/* Spread over nodes and zones, counting only pods of the same rollout. */}}
{{- define "voicegateway.topologySpread" -}}
{{- if .root.Values.topologySpread -}}
topologySpreadConstraints:
  {{- $selector := include "voicegateway.selectorLabels" . }}
  {{- range .root.Values.topologySpread }}
  {{- toYaml (list .) | nindent 2 }}
    labelSelector:
      matchLabels:
        {{- $selector | nindent 8 }}
    matchLabelKeys:
      - pod-template-hash
  {{- end }}
{{- end -}}
{{- end }}

{{/* Metadata of a controller or runner pod. The checksum restarts the pods when a URL changes; a Secret of your
     own is invisible here and needs a restart by hand. */}}
{{- define "voicegateway.podMetadata" -}}
annotations:
  checksum/secret: {{ include "voicegateway.secretData" .root | sha256sum }}
  {{- with .root.Values.podAnnotations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
labels:
  {{- include "voicegateway.labels" . | nindent 2 }}
  {{- with .root.Values.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
