"""Search for the options of each head: spaces, draws, and the choice by validation rows."""
