"""The estimators: tables to jobs, results to fitted attributes."""
