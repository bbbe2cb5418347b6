"""The paper's figures: one module runs each, draws it and states its claims."""
