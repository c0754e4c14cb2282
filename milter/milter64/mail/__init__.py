"""The words of mail that everybody uses: session, envelope, mailbox, finding, action, and text that is fit to be shown.

In go the raw words of SMTP; out come values that nobody changes. It reads and spells, and judges nothing.
"""
