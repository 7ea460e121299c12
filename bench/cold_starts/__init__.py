"""What a cold start is compared with, and the program that measures one."""
