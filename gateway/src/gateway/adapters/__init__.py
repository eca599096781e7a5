"""What a gateway reaches: the replicas, the configuration, the settlements of couriers."""
