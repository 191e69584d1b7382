# The agent on this machine, for ever, whatever it does.
consul {
  address    = "127.0.0.1:8500"
  token_file = "/etc/consul-template/token"

  retry {
    enabled     = true
    attempts    = 0
    backoff     = "250ms"
    max_backoff = "5s"
  }

  # One connection a service is kept.
  transport {
    dial_keep_alive         = "5s"
    dial_timeout            = "3s"
    max_idle_conns          = 0
    max_idle_conns_per_host = 2000
  }
}

# A Consul that has lost its data counts from the beginning, and a question that waits for the old count ends only here.
block_query_wait = "10s"

log_level = "warn"

# No `wait`: every change is rendered at once; how often HAProxy is reloaded is the guard's affair.
template {
  source          = "/etc/consul-template/haproxy.ctmpl"
  destination     = "/run/haproxy/rendered.cfg"
  perms           = 0600
  command         = ["/usr/local/lib/gatehouse/haproxy-render", "/run/haproxy/rendered.cfg"]
  command_timeout = "60s"
}
