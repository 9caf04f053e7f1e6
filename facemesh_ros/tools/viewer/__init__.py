"""The web page of ``facemesh view``: what is sent to browsers, who may have it, and where it comes from."""
