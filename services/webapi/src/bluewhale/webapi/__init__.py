"""What people meet: the REST API, sign-in, and the page as it is served."""
