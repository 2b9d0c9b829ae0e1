"""What every benchmark shares: a question's tables, its contenders in processes of their own, the machine, the page."""
