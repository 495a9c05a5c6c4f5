"""How good is a method, on whom, compared to what, and how sure are we?"""
