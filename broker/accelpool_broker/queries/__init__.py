"""What is asked of the database: `transaction.Transaction` has all queries, by subjects."""
