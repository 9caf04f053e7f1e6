"""The ROS 2 door: the only place that imports rclpy and message packages. It holds no mathematics."""
