"""What tests share: servers of their own processes, killing children."""
