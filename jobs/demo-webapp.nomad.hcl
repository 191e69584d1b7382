# The web application behind HAProxy: instances on dynamic ports, found through Consul.
#
#   nomad job run jobs/demo-webapp.nomad.hcl
#
# The default image is the one of the article that this lab follows; the stack builds its own (images/hello).

variable "datacenters" {
  type    = list(string)
  default = ["dc1"]
}

variable "image" {
  type        = string
  default     = "mcas/franceconnect-demo3:latest"
  description = "Must listen on $PORT. An image of yours also answers health_path."
}

variable "count" {
  type        = number
  default     = 3
  description = "Instances. HAProxy needs room for twice as many and one (components/balancers/slots.ts)."
}

variable "name" {
  type        = string
  default     = "demo-webapp"
  description = "The application greets with `Hello from <name>`."
}

variable "health_path" {
  type    = string
  default = "/"
}

variable "tags" {
  type        = list(string)
  default     = ["web"]
  description = "What the instances are tagged with in Consul. Balancers that follow a tag follow `routed`."
}

variable "shutdown_delay" {
  type        = string
  default     = "2s"
  description = "From an instance's deregistration to its stop: longer than balancers need to notice."
}

variable "weights" {
  type = object({
    passing = number
    warning = number
  })
  default     = null
  description = "An instance's share of the requests while its check passes, and while it answers with 429; 1 and 1 unless set."
}

variable "cpu" {
  type        = number
  default     = 50
  description = "MHz for one instance."
}

variable "memory" {
  type        = number
  default     = 64
  description = "MiB for one instance."
}

job "demo-webapp" {
  datacenters = var.datacenters
  type        = "service"

  # A change starts a full second set, and stops the first only when every new instance is healthy: at no time are
  # there fewer instances than before, and an image that does not work never takes one away. The first instance that
  # fails, or is not healthy within a minute, ends the change (progress_deadline 0), and the job returns to what it was.
  update {
    canary            = var.count
    max_parallel      = 1
    health_check      = "checks"
    min_healthy_time  = "1s"
    healthy_deadline  = "1m"
    progress_deadline = "0s"
    auto_promote      = true
    auto_revert       = true
  }

  group "demo" {
    count = var.count

    # Consul forgets an instance first, balancers notice, and only then is it stopped (components/balancers/propagation.ts).
    shutdown_delay = var.shutdown_delay

    network {
      port "http" {}
    }

    service {
      name = "demo-webapp"
      port = "http"
      tags = var.tags

      # Promotion is automatic, by the same check that admits traffic, so canaries are balanced like the others; the tag
      # only tells them apart.
      canary_tags = concat(var.tags, ["canary"])

      dynamic "weights" {
        for_each = var.weights == null ? [] : [var.weights]
        content {
          passing = weights.value.passing
          warning = weights.value.warning
        }
      }

      check {
        name     = "http"
        type     = "http"
        path     = var.health_path
        interval = "2s"
        timeout  = "2s"
      }
    }

    # An instance that dies is back within two seconds. One that keeps dying fails its allocation, which a deployment
    # answers with the revert, and which is otherwise tried again, elsewhere if there is another machine.
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

    task "server" {
      driver = "docker"

      # Longer than the longest request that is worth waiting for.
      kill_timeout = "10s"

      config {
        image = var.image
        ports = ["http"]
      }

      env {
        PORT      = "${NOMAD_PORT_http}"
        NODE_IP   = "${NOMAD_IP_http}"
        NODE_NAME = "${node.unique.name}"
        NAME      = var.name

        # Nomad has waited already (shutdown_delay).
        DRAIN_DELAY_MS = "0"
      }

      resources {
        cpu    = var.cpu
        memory = var.memory
      }
    }
  }
}
