let reportPlaceholder = 0
