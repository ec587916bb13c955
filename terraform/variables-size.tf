# How much there is of everything.

variable "size" {
  description = "What the other settings are by default: lab (for an AWS Academy Learner Lab, or as little money as possible), small (a few users) or production (a standby of everything)."
  type        = string
  default     = "small"
  nullable    = false

  validation {
    condition     = contains(["lab", "small", "production"], var.size)
    error_message = "The size must be lab, small or production."
  }
}

variable "spot" {
  description = "Whether tasks run on Fargate Spot, for about a third of the price: the workers, and in the sizes lab and small the API as well. AWS may stop such a task at any time, and sometimes has no capacity for a new one."
  type        = bool
  default     = true
  nullable    = false
}
