"""What an operator looks at in the database, declared once: gauges show it, and `llm-observatory doctor` judges it."""
