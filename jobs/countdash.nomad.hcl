# Two groups that reach each other only through the service mesh: a dashboard, and the API that counts for it.
#
#   nomad job run jobs/countdash.nomad.hcl
#
# Where intentions deny by default, the dashboard needs leave to call the API:
#
#   consul intention create -allow count-dashboard count-api

variable "datacenters" {
  type    = list(string)
  default = ["dc1"]
}

variable "api_image" {
  type    = string
  default = "hashicorpdev/counter-api:v3"
}

variable "dashboard_image" {
  type    = string
  default = "hashicorpdev/counter-dashboard:v3"
}

variable "sidecar_image" {
  type        = string
  default     = "docker.io/envoyproxy/envoy:v1.34-latest"
  description = "Envoy; its entry point must take Envoy's arguments."
}

variable "dashboard_tags" {
  type        = list(string)
  default     = []
  description = "What the dashboard is tagged with in Consul. Balancers that follow a tag follow `routed`."
}

variable "dashboard_port" {
  type        = number
  default     = 9002
  description = "The dashboard's port on its machine."
}

variable "node" {
  type        = string
  default     = ""
  description = "The machine that the dashboard runs on; any if empty."
}

job "countdash" {
  datacenters = var.datacenters
  type        = "service"

  # The first allocation that fails, or is not healthy in time, ends a change (progress_deadline 0).
  update {
    max_parallel      = 2
    health_check      = "checks"
    min_healthy_time  = "1s"
    healthy_deadline  = "1m"
    progress_deadline = "0s"
    auto_revert       = true
  }

  group "api" {
    shutdown_delay = "1s"

    network {
      mode = "bridge"
    }

    service {
      name = "count-api"
      port = "9001"

      check {
        name     = "http"
        type     = "http"
        path     = "/health"
        interval = "2s"
        timeout  = "2s"

        # The API listens inside the mesh only: Envoy opens this one path to Consul's check.
        expose = true
      }

      connect {
        # The check above goes through Envoy, so it proves that Envoy listens; Consul's own check would come to the
        # same result up to ten seconds later, and the deployment would wait for it.
        sidecar_service {
          disable_default_tcp_check = true
        }

        sidecar_task {
          config {
            image = var.sidecar_image
          }

          resources {
            cpu    = 50
            memory = 96
          }
        }
      }
    }

    restart {
      attempts = 3
      interval = "1m"
      delay    = "1s"
      mode     = "fail"
    }

    reschedule {
      delay          = "5s"
      delay_function = "exponential"
      max_delay      = "1m"
      unlimited      = true
    }

    task "web" {
      driver       = "docker"
      kill_timeout = "10s"

      config {
        image = var.api_image
      }

      env {
        PORT = "9001"
      }

      resources {
        cpu    = 50
        memory = 64
      }
    }
  }

  group "dashboard" {
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
      mode = "bridge"

      port "http" {
        static = var.dashboard_port
        to     = 9002
      }
    }

    service {
      name = "count-dashboard"
      port = "http"
      tags = var.dashboard_tags

      check {
        name     = "http"
        type     = "http"
        path     = "/health"
        interval = "2s"
        timeout  = "2s"
      }

      connect {
        # Nobody calls the dashboard through the mesh.
        sidecar_service {
          disable_default_tcp_check = true

          # Without tags of its own the sidecar gets the dashboard's, and would be routed, too.
          tags = length(var.dashboard_tags) == 0 ? [] : ["sidecar"]

          proxy {
            upstreams {
              destination_name = "count-api"
              local_bind_port  = 8080
            }
          }
        }

        sidecar_task {
          config {
            image = var.sidecar_image
          }

          resources {
            cpu    = 50
            memory = 96
          }
        }
      }
    }

    restart {
      attempts = 3
      interval = "1m"
      delay    = "1s"
      mode     = "fail"
    }

    reschedule {
      delay          = "5s"
      delay_function = "exponential"
      max_delay      = "1m"
      unlimited      = true
    }

    task "dashboard" {
      driver       = "docker"
      kill_timeout = "10s"

      config {
        image = var.dashboard_image
      }

      env {
        PORT                 = "9002"
        COUNTING_SERVICE_URL = "http://${NOMAD_UPSTREAM_ADDR_count_api}"
      }

      resources {
        cpu    = 50
        memory = 64
      }
    }
  }
}
