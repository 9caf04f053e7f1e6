// Read the faces of a running node and log what they do.
//
//     ros2 run facemesh_ros face_reader
//     ros2 run facemesh_ros face_reader --ros-args -p period_s:=0.5
//     ros2 run facemesh_ros face_reader --ros-args -r __ns:=/left   # where the node is in that namespace
//
// An example to copy from; face_reader.py does the same in Python and draws, too.

#include <cmath>
#include <limits>
#include <memory>

#include "facemesh_ros/msg/face_mesh_array.hpp"
#include "facemesh_ros/msg/face_topology.hpp"
#include "rclcpp/rclcpp.hpp"

#include "face_measures.hpp"

using facemesh_ros::msg::FaceMesh;
using facemesh_ros::msg::FaceMeshArray;
using facemesh_ros::msg::FaceTopology;

/// Reports at the first image and then every period_s.
class FaceReader : public rclcpp::Node
{
public:
  FaceReader()
  : Node("face_reader"), period_s_(declare_parameter("period_s", 1.0))
  {
    // Latched: with the default durability a reader that comes late never gets the topology.
    topology_subscription_ = create_subscription<FaceTopology>(
      "facemesh_node/topology", rclcpp::QoS(1).transient_local(),
      [this](FaceTopology::ConstSharedPtr message) {on_topology(*message);});
    faces_subscription_ = create_subscription<FaceMeshArray>(
      "facemesh_node/faces", rclcpp::QoS(5),
      [this](FaceMeshArray::ConstSharedPtr message) {on_faces(*message);});
  }

private:
  void on_topology(const FaceTopology & message)
  {
    topology_ = message;
    RCLCPP_INFO(
      get_logger(), "meshes have %u points, %zu names", topology_.num_points, topology_.groups.size());
  }

  void on_faces(const FaceMeshArray & message)
  {
    const double stamp_s = message.header.stamp.sec + 1e-9 * message.header.stamp.nanosec;
    if (stamp_s >= reported_s_ && stamp_s - reported_s_ < period_s_) {
      return;
    }
    reported_s_ = stamp_s;
    for (const auto & face : message.faces) {
      report(face);
    }
  }

  void report(const FaceMesh & face) const
  {
    RCLCPP_INFO(get_logger(), "face %u: presence %.2f", face.id, face.presence);
    if (face.pose_valid) {
      const auto & at = face.head_pose.pose.position;
      RCLCPP_INFO(
        get_logger(), "face %u: head at x %.2f, y %.2f, z %.2f m, %.2f m away", face.id, at.x, at.y, at.z,
        std::hypot(at.x, at.y, at.z));
    }
    if (face.eyes_valid) {
      RCLCPP_INFO(
        get_logger(), "face %u: eyes %.2f %.2f", face.id, face.right_eye_openness, face.left_eye_openness);
    }
    const double mouth = face_measures::opening(face, topology_, "lips_inner");
    if (!std::isnan(mouth)) {
      RCLCPP_INFO(get_logger(), "face %u: mouth %.2f", face.id, mouth);
    }
  }

  const double period_s_;
  FaceTopology topology_;  // no points until it has come
  double reported_s_ = -std::numeric_limits<double>::infinity();
  rclcpp::Subscription<FaceTopology>::SharedPtr topology_subscription_;
  rclcpp::Subscription<FaceMeshArray>::SharedPtr faces_subscription_;
};

int main(int argc, char ** argv)
{
  rclcpp::init(argc, argv);
  rclcpp::spin(std::make_shared<FaceReader>());
  rclcpp::shutdown();
  return 0;
}
