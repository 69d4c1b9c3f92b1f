"""Embedding: encoders, and the filling of the vector store."""
