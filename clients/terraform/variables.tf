variable "endpoint" {
  description = "Where the lab answers: the value of AWS_ENDPOINT_URL."
  type        = string
}

variable "public_key" {
  description = "The public part of the key that administrators log in with."
  type        = string
}

variable "web_type" {
  description = "The size of web servers."
  type        = string
  default     = "t3.micro"
}

variable "web_ports" {
  description = "Ports of the web servers that the internet may open."
  type        = set(number)
  default     = [80, 443]
}

variable "bastion_from" {
  description = "Who may log in to the bastion."
  type        = list(string)
  default     = ["0.0.0.0/0"]
}

variable "stage" {
  description = "What is written on everything that has tags."
  type        = string
  default     = "test"
}

variable "partner_networks" {
  description = "Networks of partners, who may use the web servers' status page."
  type        = map(string)
  default = {
    "203.0.113.0/26"  = "printer"
    "198.51.100.0/24" = "post"
  }
}
