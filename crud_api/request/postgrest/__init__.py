"""What a request asks for in PostgREST's dialect, read into the values that both dialects share.

PostgREST's documentation (references/api) says what each part means.
"""
