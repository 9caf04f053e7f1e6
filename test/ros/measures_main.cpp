// Reads points, outlines and their names from standard input, and prints what face_measures.hpp makes of them.
//
// Input: how many coordinates, they; num_points; then for each outline its name, how many points, they.

#include <iomanip>
#include <iostream>

#include "face_measures.hpp"

int main()
{
  facemesh_ros::msg::FaceMesh face;
  facemesh_ros::msg::FaceTopology topology;
  std::size_t count;
  std::cin >> count;
  face.landmarks.resize(count);
  for (auto & value : face.landmarks) {
    std::cin >> value;
  }
  std::cin >> topology.num_points;
  facemesh_ros::msg::FacePointGroup group;
  while (std::cin >> group.name >> count) {
    group.points.resize(count);
    for (auto & index : group.points) {
      std::cin >> index;
    }
    topology.groups.push_back(group);
  }
  std::cout << std::setprecision(9);
  for (const char * name : {"lips_inner", "right_eye", "left_eye", "no_such_outline"}) {
    std::cout << face_measures::opening(face, topology, name) << "\n";
  }
}
