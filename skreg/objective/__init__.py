"""The objective: J = 1/sum(w) * sum_i w_i * loss_i + l1 * sum|W| + l2/2 * sum W^2.

`losses` holds the first term, `penalties` the rest with its proximal operators. W are the weights of
the linear layers; biases and the scale and shift of batch norm are never penalised.
"""
