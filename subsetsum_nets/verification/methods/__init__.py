"""The methods: each proves an upper bound of sup ||f - g||, in floats rounded outward."""
