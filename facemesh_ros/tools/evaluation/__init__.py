"""What ``facemesh evaluate`` is made of: data sets, figures, subjects and their report."""
