"""Which estimate of the class shares of an unlabeled window comes nearest, on windows made from labeled files."""
