"""What is made of finished runs from their files: figures, reports, loaded learners."""
