// What face_reader.cpp reads out of the messages; it needs their headers and nothing else of ROS.
// docs/topology.md says which point is which.

#ifndef FACE_MEASURES_HPP_
#define FACE_MEASURES_HPP_

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "facemesh_ros/msg/face_mesh.hpp"
#include "facemesh_ros/msg/face_topology.hpp"

namespace face_measures
{

/// Indices of the points with this name, such as lips_inner or nose_tip; empty where there is none.
inline std::vector<std::uint16_t> named_points(
  const facemesh_ros::msg::FaceTopology & topology, const std::string & name)
{
  for (const auto & group : topology.groups) {
    if (group.name == name) {
      return {group.points.begin(), group.points.end()};
    }
  }
  return {};
}

/// Whether the indices are those of this mesh: another network may have other points.
inline bool fits(
  const facemesh_ros::msg::FaceTopology & topology, const facemesh_ros::msg::FaceMesh & face)
{
  return topology.num_points > 0 && face.landmarks.size() == 3 * std::size_t{topology.num_points};
}

/// Distance between two points of the mesh, px.
inline double distance(
  const facemesh_ros::msg::FaceMesh & face, std::uint16_t from, std::uint16_t to)
{
  const float * a = face.landmarks.data() + 3 * std::size_t{from};
  const float * b = face.landmarks.data() + 3 * std::size_t{to};
  return std::hypot(double{a[0]} - b[0], double{a[1]} - b[1], double{a[2]} - b[2]);
}

/// How far a mouth or an eye is open: gap over width, no unit; NaN where the mesh does not fit the topology.
///
/// outline: lips_inner, right_eye or left_eye: from one corner over the upper lid or lip to the other, and back.
inline double opening(
  const facemesh_ros::msg::FaceMesh & face, const facemesh_ros::msg::FaceTopology & topology,
  const std::string & outline)
{
  const auto loop = named_points(topology, outline);
  if (loop.size() < 8 || !fits(topology, face)) {
    return std::numeric_limits<double>::quiet_NaN();
  }
  const std::size_t half = loop.size() / 2, quarter = loop.size() / 4;
  double gap = 0.0;
  for (std::size_t i = quarter - 1; i <= quarter + 1; ++i) {
    gap += distance(face, loop[i], loop[loop.size() - i]) / 3.0;
  }
  return gap / distance(face, loop[0], loop[half]);
}

}  // namespace face_measures

#endif  // FACE_MEASURES_HPP_
