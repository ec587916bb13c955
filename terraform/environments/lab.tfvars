# For an AWS Academy Learner Lab, or for as little money as possible.
name = "taskoverflow-lab"
size = "lab"
