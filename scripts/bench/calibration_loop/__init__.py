"""Which calibration is worth its labels: vector scaling, temperature and isotonic regression on labeled files."""
