# Two services of the same program. `helloworld` is tagged `routed`: where every machine has a balancer and a resolver
# that follow the tag, every machine and container reaches it as http://helloworld.service, wherever it runs. `hidden`
# has no such tag: Consul knows it, and no balancer does.
#
#   nomad job run jobs/helloworld.nomad.hcl
#   curl http://helloworld.service     # on any machine, or in any container
#
# The job carries no token: where Consul has ACLs, Nomad registers the services with workload identities of their own,
# as the agents' configuration says (`consul { service_identity … }`).
#
# The image is images/hello.

variable "datacenters" {
  type    = list(string)
  default = ["dc1"]
}

variable "image" {
  type        = string
  default     = "gatehouse/hello:dev"
  description = "Must listen on $PORT and answer health_path."
}

variable "count" {
  type        = number
  default     = 2
  description = "Instances of helloworld."
}

variable "tags" {
  type        = list(string)
  default     = ["routed"]
  description = "What helloworld is tagged with. The balancers follow `routed`, for each instance of its own."
}

variable "health_path" {
  type    = string
  default = "/health"
}

job "helloworld" {
  datacenters = var.datacenters
  type        = "service"

  # A change starts one instance more, and goes on with the others, one at a time, when that one is healthy. The first
  # that fails, or is not healthy within a minute, ends it (progress_deadline 0), and the job returns to what it was.
  update {
    canary            = 1
    max_parallel      = 1
    health_check      = "checks"
    min_healthy_time  = "1s"
    healthy_deadline  = "1m"
    progress_deadline = "0s"
    auto_promote      = true
    auto_revert       = true
  }

  group "helloworld" {
    count = var.count

    # Consul forgets an instance first; every balancer sees that within half a second, and only then is it stopped.
    shutdown_delay = "2s"

    # One machine fewer leaves an instance, where there are two machines.
    spread {
      attribute = "${node.unique.id}"
    }

    network {
      port "http" {}
    }

    service {
      name = "helloworld"
      port = "http"
      tags = var.tags

      # A canary takes requests like the others once its check passes: the same check promotes it a second later, and
      # without the tag there would be a moment in which the old instances are gone and the new ones not yet routed.
      canary_tags = concat(var.tags, ["canary"])

      check {
        name     = "http"
        type     = "http"
        path     = var.health_path
        interval = "2s"
        timeout  = "2s"
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
        NAME      = "helloworld"

        # Nomad has waited already (shutdown_delay).
        DRAIN_DELAY_MS = "0"
      }

      resources {
        cpu    = 50
        memory = 64
      }
    }
  }

  group "hidden" {
    shutdown_delay = "2s"

    network {
      port "http" {}
    }

    service {
      name = "hidden"
      port = "http"

      check {
        name     = "http"
        type     = "http"
        path     = var.health_path
        interval = "2s"
        timeout  = "2s"
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

    task "server" {
      driver       = "docker"
      kill_timeout = "10s"

      config {
        image = var.image
        ports = ["http"]
      }

      env {
        PORT           = "${NOMAD_PORT_http}"
        NODE_IP        = "${NOMAD_IP_http}"
        NODE_NAME      = "${node.unique.name}"
        NAME           = "hidden"
        DRAIN_DELAY_MS = "0"
      }

      resources {
        cpu    = 50
        memory = 64
      }
    }
  }
}
