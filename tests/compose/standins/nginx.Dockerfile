# Stands in for nginx: nginx as user 101, curl, envsubst.
FROM pitboss-standin/debian
CMD ["nginx", "-g", "daemon off;"]
