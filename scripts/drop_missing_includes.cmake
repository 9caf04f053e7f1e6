# Mend the ROS wheels: each <package>__rosidl_generator_pyExport.cmake names an include folder of the machine that built
# the wheel, and CMake refuses imported targets whose include folders do not exist. Drop those folders once the project
# has been read. Does nothing where all folders exist, as in an installed ROS.
# Use: cmake -DCMAKE_PROJECT_INCLUDE=<this file>

function(drop_missing_includes)
  get_property(targets DIRECTORY PROPERTY IMPORTED_TARGETS)
  foreach(target IN LISTS targets)
    get_target_property(folders ${target} INTERFACE_INCLUDE_DIRECTORIES)
    if(NOT folders)
      continue()
    endif()
    set(kept "")
    foreach(folder IN LISTS folders)
      if(NOT IS_ABSOLUTE "${folder}" OR EXISTS "${folder}")
        list(APPEND kept "${folder}")
      endif()
    endforeach()
    set_target_properties(${target} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${kept}")
  endforeach()
endfunction()

cmake_language(DEFER CALL drop_missing_includes)
