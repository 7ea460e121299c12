"""The executor in AWS: its image, its versions, and the function of the migrations."""
