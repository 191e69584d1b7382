# HAProxy on port 80 of its machine, in front of the instances of demo-webapp that Consul knows; statistics on 1936.
#
# Its settings are a Nomad variable, so that they can change without a new allocation:
#
#   nomad var put nomad/jobs/haproxy slots=16 health_path=/ log=errors stats_user=admin stats_password=…
#   nomad job run -var image=… jobs/haproxy.nomad.hcl
#
# slots           servers in the backend: at least twice the instances of demo-webapp and one
# health_path     what the instances are asked for to see whether they are well
# log             `errors`, or `all` for a line per request
# stats_user, stats_password   letters and digits; for the statistics page and /metrics
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

variable "node" {
  type        = string
  default     = ""
  description = "The machine that it runs on; any if empty."
}

job "haproxy" {
  datacenters = var.datacenters
  type        = "service"

  # Its ports are fixed, so a new version starts after the old one has stopped: changing the image or this file
  # interrupts service for a few seconds. The settings above do not. A version that fails, or is not healthy in time,
  # ends the change (progress_deadline 0).
  update {
    max_parallel      = 1
    health_check      = "checks"
    min_healthy_time  = "1s"
    healthy_deadline  = "1m"
    progress_deadline = "0s"
    auto_revert       = true
  }

  group "haproxy" {
    # Static ports and a published address belong to one machine.
    dynamic "constraint" {
      for_each = var.node == "" ? [] : [var.node]
      content {
        attribute = "${node.unique.name}"
        value     = constraint.value
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
              log stdout format raw local0 info
              user haproxy
              group haproxy
              chroot /var/lib/haproxy
              # Two file descriptors a connection; many machines allow 20,000 in all.
              maxconn 8000
              # Old workers finish what they have after a reload, but not for ever: longer than http-keep-alive below.
              hard-stop-after 15s
              mworker-max-reloads 3
              stats socket /run/haproxy/admin.sock mode 600 level admin
              server-state-file /run/haproxy/servers

          defaults
              mode http
              log global
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
              load-server-state-from-file global
              http-error status 502 content-type text/html file /etc/haproxy/errors/unavailable.html
              http-error status 503 content-type text/html file /etc/haproxy/errors/unavailable.html
              http-error status 504 content-type text/html file /etc/haproxy/errors/unavailable.html

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
              hold obsolete 0s
              hold valid 30s
              hold nx 30s
              hold timeout 30s
              hold refused 30s
              hold other 30s

          frontend http
              bind *:{{ env "NOMAD_PORT_http" }}
              option httplog
              # Consul's TCP check connects and says nothing: no error.
              option http-ignore-probes
              # After a reload an idle connection gets one more answer, with `Connection: close`, instead of a reset.
              option idle-close-on-response
              option forwardfor
              # This is the edge: what clients say about themselves does not count.
              http-request del-header X-Forwarded-For
              http-request set-header X-Forwarded-Proto http
              http-request disable-l7-retry unless METH_GET or { method HEAD OPTIONS }
              default_backend webapp

          backend webapp
              balance roundrobin
              option httpchk GET {{ .health_path }}
              http-check expect status 200-399
              default-server check inter 1s fastinter 200ms downinter 200ms fall 2 rise 1
              server-template webapp {{ .slots }} _demo-webapp._tcp.service.consul resolvers consul resolve-opts allow-dup-ip resolve-prefer ipv4 init-addr last,none

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
              stats enable
              stats uri /
              stats hide-version
              stats show-legends
              stats refresh 5s
          {{- end }}
        EOF
      }

      resources {
        cpu    = 200
        memory = 128
      }
    }
  }
}
