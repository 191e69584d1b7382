# HAProxy on port 80 of its machine, in front of the instances of demo-webapp that Consul knows; statistics on 1936.
#
# Its settings are a Nomad variable, so that they can change without a new allocation:
#
#   nomad var put nomad/jobs/haproxy discovery=events slots=16 health_path=/ log=errors stats_user=admin stats_password=…
#   nomad job run -var image=… jobs/haproxy.nomad.hcl
#
# discovery       `events`: HAProxy holds a question open that Consul answers when something changes
#                 (components/balancers/events); `dns`: it asks Consul's DNS ten times a second; `template`: Nomad
#                 renders its servers, and reloads it for each change
# slots           servers in the backend: at least twice the instances of demo-webapp and one
# health_path     what the instances are asked for to see whether they are well
# log             `errors`, or `all` for a line per request
# stats_user, stats_password   letters and digits; for the statistics page and /metrics
# hold_obsolete, hold_nx, hold_timeout, hold_refused, hold_other   optional, for discovery=dns: how long what is known is
#                 kept when an answer lacks it, denies it, does not come, is a refusal, or any other error
#
# The image is images/haproxy: HAProxy with the two helpers that this job calls.

variable "datacenters" {
  type    = list(string)
  default = ["dc1"]
}

variable "image" {
  type    = string
  default = "gatehouse/haproxy:dev"
}

variable "consul_dns" {
  type        = string
  default     = "127.0.0.1:8600"
  description = "Consul's DNS server as HAProxy's machine reaches it."
}

variable "consul_http" {
  type        = string
  default     = "http://127.0.0.1:8500"
  description = "Consul's HTTP API as HAProxy's machine reaches it, by an address; for discovery=events."
}

variable "nodes" {
  type        = list(string)
  default     = []
  description = "The machines that it runs on, one instance on each; a single one on any machine if empty."
}

variable "proxy_sources" {
  type        = list(string)
  default     = []
  description = "Networks whose connections begin with a PROXY header, such as those of a balancer in front."
}

locals {
  # A balancer in front says who calls.
  expect_proxy = length(var.proxy_sources) == 0 ? "" : "\n    tcp-request connection expect-proxy layer4 if { src ${join(" ", var.proxy_sources)} }"
}

job "haproxy" {
  datacenters = var.datacenters
  type        = "service"

  # Its ports are fixed, so a new version starts after the old one has stopped: changing the image or this file
  # interrupts service for a few seconds. The settings above do not. A version that fails, or is not healthy in time,
  # ends the change (progress_deadline 0).
  update {
    max_parallel = 1
    health_check = "checks"
    # A balancer in front needs some seconds to see that an instance is back, before the next one may stop.
    min_healthy_time  = length(var.proxy_sources) > 0 ? "10s" : "1s"
    healthy_deadline  = "1m"
    progress_deadline = "0s"
    auto_revert       = true
  }

  group "haproxy" {
    count = max(1, length(var.nodes))

    # Static ports and a published address belong to one machine.
    dynamic "constraint" {
      for_each = length(var.nodes) == 1 ? var.nodes : []
      content {
        attribute = "${node.unique.name}"
        value     = constraint.value
      }
    }

    dynamic "constraint" {
      for_each = length(var.nodes) > 1 ? [join(",", var.nodes)] : []
      content {
        attribute = "${node.unique.name}"
        operator  = "set_contains_any"
        value     = constraint.value
      }
    }

    dynamic "constraint" {
      for_each = length(var.nodes) > 1 ? [true] : []
      content {
        operator = "distinct_hosts"
        value    = "true"
      }
    }

    shutdown_delay = "1s"

    network {
      mode = "host"

      port "http" {
        static = 80
      }

      port "stats" {
        static = 1936
      }
    }

    service {
      name = "haproxy"
      port = "http"

      check {
        name     = "alive"
        type     = "tcp"
        interval = "2s"
        timeout  = "2s"
      }

      check {
        name     = "health"
        type     = "http"
        port     = "stats"
        path     = "/health"
        interval = "2s"
        timeout  = "2s"
      }

      # Without instances HAProxy is not to be used, but restarting or reverting it would not help.
      check {
        name      = "backend"
        type      = "http"
        port      = "stats"
        path      = "/ready"
        interval  = "2s"
        timeout   = "2s"
        on_update = "ignore"
      }
    }

    restart {
      attempts = 5
      interval = "1m"
      delay    = "250ms"
      mode     = "delay"
    }

    task "haproxy" {
      driver = "docker"

      # Soft stop: close the ports and finish what runs.
      kill_signal  = "SIGUSR1"
      kill_timeout = "5s"

      config {
        image           = var.image
        network_mode    = "host"
        readonly_rootfs = true

        # The master binds port 80 and starts workers as another user in a chroot; nothing else needs privileges.
        cap_drop = ["all"]
        cap_add  = ["net_bind_service", "setgid", "setuid", "sys_chroot", "kill"]

        mount {
          type   = "tmpfs"
          target = "/run/haproxy"
          tmpfs_options {
            size = 16777216
          }
        }

        # In the workers' chroot: the last good state for discovery=events, kept when the task starts anew.
        mount {
          type   = "bind"
          source = "../alloc/data"
          target = "/var/lib/haproxy/state"
        }
      }

      template {
        destination = "secrets/haproxy.cfg"
        perms       = "0600"
        change_mode = "script"

        # Every instance of a job waits a random part of the splay before it takes over a change; this is the only one.
        splay = "0s"

        # Nomad collects changes for five seconds unless told otherwise.
        wait {
          min = "50ms"
          max = "500ms"
        }

        change_script {
          command       = "/usr/local/bin/haproxy-reload"
          args          = ["/secrets/haproxy.cfg"]
          timeout       = "30s"
          fail_on_error = false
        }

        data = <<-EOF
          {{- with nomadVar "nomad/jobs/haproxy" }}
          global
              # Requests are logged by the frontends; what has no line of its own, Lua's questions to Consul among it, by errors.
              log stdout format raw local0 {{ if eq .discovery.Value "events" }}err{{ else }}info{{ end }}
              user haproxy
              group haproxy
              chroot /var/lib/haproxy
              # Two file descriptors a connection; many machines allow 20,000 in all.
              maxconn 8000
              # Old workers finish what they have after a reload, but not for ever: longer than http-keep-alive below.
              hard-stop-after 15s
              # A change of instances is a reload where they are rendered; more workers than these do not fit into memory.
              mworker-max-reloads {{ if eq .discovery.Value "template" }}10{{ else }}3{{ end }}
              stats socket /run/haproxy/admin.sock mode 600 level admin
              server-state-file /run/haproxy/servers
          {{- if eq .discovery.Value "events" }}
              setenv DISCOVERY_SETTINGS /secrets/discovery.json
              lua-load /usr/local/lib/gatehouse/events.lua
          {{- end }}

          defaults
              mode http
              log stdout format raw local0 info
              option dontlognull
          {{- if ne .log.Value "all" }}
              # Errors, retries and redispatches only: a line per request would cost more than the request.
              option dontlog-normal
          {{- end }}
              # The next instance gets the request when one does not take it. A request that was sent already is sent
              # again only if its method says that this changes nothing.
              option redispatch 1
              retries 3
              retry-on conn-failure empty-response
              timeout connect 1s
              timeout check 1s
              timeout http-request 10s
              timeout http-keep-alive 10s
              timeout queue 5s
              timeout client 30s
              timeout server 30s
              timeout tunnel 1h
              load-server-state-from-file {{ if eq .discovery.Value "events" }}none{{ else }}global{{ end }}
              http-error status 502 content-type text/html file /etc/haproxy/errors/unavailable.html
              http-error status 503 content-type text/html file /etc/haproxy/errors/unavailable.html
              http-error status 504 content-type text/html file /etc/haproxy/errors/unavailable.html

          {{- if eq .discovery.Value "dns" }}

          resolvers consul
              # Over TCP, and with room: an answer of 8192 bytes, the most that UDP can be trusted with, ends at 60
              # instances.
              nameserver consul tcp@${var.consul_dns}
              accepted_payload_size 65535
              # How often Consul is asked (`hold valid` no longer says so).
              timeout resolve 100ms
              timeout retry 200ms
              resolve_retries 3
              # An instance that Consul no longer lists is out at once; Consul's own failures change nothing for a while.
              hold obsolete {{ or .hold_obsolete.Value "0s" }}
              hold nx {{ or .hold_nx.Value "30s" }}
              hold timeout {{ or .hold_timeout.Value "30s" }}
              hold refused {{ or .hold_refused.Value "30s" }}
              hold other {{ or .hold_other.Value "30s" }}
          {{- end }}

          frontend http
              bind *:{{ env "NOMAD_PORT_http" }}${local.expect_proxy}
              option httplog
              # Consul's TCP check connects and says nothing: no error.
              option http-ignore-probes
              # After a reload an idle connection gets one more answer, with `Connection: close`, instead of a reset.
              option idle-close-on-response
              option forwardfor
          {{- if eq .discovery.Value "events" }}
              # Who comes before Consul has named the first instances waits for that.
              http-request lua.discovery-ready unless { var(proc.discovery) -m bool }
          {{- end }}
              # This is the edge: what clients say about themselves does not count.
              http-request del-header X-Forwarded-For
              http-request set-header X-Forwarded-Proto http
              http-request disable-l7-retry unless METH_GET or { method HEAD OPTIONS }
              default_backend webapp

          backend webapp
              balance roundrobin
              option httpchk GET {{ .health_path }}
              # 429 is a warning to Consul, which goes on naming the instance, with the weight for that.
              http-check expect status 200-399,429
              default-server check inter 1s fastinter 200ms downinter 200ms fall 2 rise 1
          {{- if eq .discovery.Value "events" }}
              # Of no use before Lua gives them an address.
              server-template webapp {{ .slots }} 127.0.0.1:1 disabled
          {{- else if eq .discovery.Value "template" }}
          {{- range service "demo-webapp|passing,warning" }}
              server {{ .ID | regexReplaceAll "[^A-Za-z0-9_.-]" "_" }} {{ .Address }}:{{ .Port }}
          {{- end }}
          {{- else }}
              #names addr.{{ env "NOMAD_DC" }}.consul
              server-template webapp {{ .slots }} _demo-webapp._tcp.service.consul resolvers consul resolve-opts allow-dup-ip resolve-prefer ipv4 init-addr last,none
          {{- end }}

          userlist operators
              user {{ .stats_user }} insecure-password {{ .stats_password }}

          frontend stats
              bind *:{{ env "NOMAD_PORT_stats" }}
              no log
              # Alive until it stops; ready when it has somebody to send requests to.
              monitor-uri /health
              monitor fail if { stopping }
              http-request return status 503 content-type text/plain string "no healthy instance" if { path /ready } { nbsrv(webapp) lt 1 }
              http-request return status 200 content-type text/plain string "ready" if { path /ready }
              http-request auth realm haproxy unless { http_auth(operators) }
              http-request use-service prometheus-exporter if { path /metrics }
          {{- if eq .discovery.Value "events" }}
              http-request use-service lua.discovery-metrics if { path /discovery/metrics }
              http-request use-service lua.discovery-status if { path /discovery }
          {{- end }}
              stats enable
              stats uri /
              stats hide-version
              stats show-legends
              stats refresh 5s
          {{- end }}
        EOF
      }

      # Read by HAProxy before its workers are in their chroot.
      template {
        destination = "secrets/discovery.json"
        perms       = "0600"
        change_mode = "noop"
        splay       = "0s"

        data = jsonencode({
          consul   = { url = var.consul_http }
          services = [{ name = "demo-webapp", backend = "webapp" }]
          guard    = { minimumShare = 0.5, hold = 60 }
          wait     = 5
          patience = 5
          state    = "/state/discovery.json"
        })
      }

      resources {
        cpu    = 200
        memory = 128
      }
    }
  }
}
