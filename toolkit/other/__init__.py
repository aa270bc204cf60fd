"""Extras built on the public face of the toolkit; nothing in the toolkit imports them.

    s3        AWS Signature Version 4 for S3 and whatever speaks its protocol
    cipher    short secrets as URL-safe tokens that cannot be altered

Import the module you want: `from toolkit.other.s3 import S3`.
"""
