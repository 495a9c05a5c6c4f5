"""PALM: few policies for many users."""
