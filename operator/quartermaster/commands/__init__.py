"""What `quartermaster` can be told to do: the operator itself, and its deciding code by hand."""
