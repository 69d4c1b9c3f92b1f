"""What `quietcorner up` needs to run all workers on one machine: the embedded Redis and the children."""
