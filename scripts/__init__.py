"""What a person runs: the demo, the tests, the benchmarks, and an example of an annotation tool."""
