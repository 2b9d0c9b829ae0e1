"""What a model looked at: attribution of any module and scalar score. No fastai here."""
