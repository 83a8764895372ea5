"""Who is asking, and what each client's requests get."""
